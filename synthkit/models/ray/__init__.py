"""Models over a Ray cluster: ``load_model("ray:NAME", workers=8)``."""
