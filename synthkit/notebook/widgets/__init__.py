"""The widgets: one package each, with its Python side and its front end."""
