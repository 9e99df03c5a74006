"""The reading half of the CRM connection: leads, engagement and field history, incrementally."""
