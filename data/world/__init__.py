"""A seeded synthetic CRM whose true conversion probabilities are known exactly."""

from data.world.make import World, make_world, project_file, write_world
from data.world.truth import Truth

__all__ = ["Truth", "World", "make_world", "project_file", "write_world"]
