"""The composition root: settings, the running application and the command line."""
