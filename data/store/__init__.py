"""What was read of a company, kept in its state folder -> the same tables, whole or in parts."""
