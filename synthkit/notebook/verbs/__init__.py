"""The verbs of ``%synth``: each calls one public function, and binds and shows its result."""
