"""What people read: the report for sales, the model page for the data scientist, the sheets."""
