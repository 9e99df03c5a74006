"""Feature frame and outcomes -> the parts of a model: everything that learns."""
