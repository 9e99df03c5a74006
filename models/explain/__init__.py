"""A model and a lead -> reasons in points that add up, and why a score changed."""
