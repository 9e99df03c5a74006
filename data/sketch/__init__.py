"""Files without a project file -> a commented project file for a person to correct."""
