"""What an operator does with a state folder: look it over, back it up, restore it, clear it."""
