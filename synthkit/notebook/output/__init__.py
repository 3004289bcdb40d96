"""Static outputs of verbs and widgets: text and HTML that need no kernel."""
