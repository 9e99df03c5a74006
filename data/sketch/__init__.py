"""Files that nobody has described -> a commented project file for a person to correct."""
