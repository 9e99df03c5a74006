"""Figures for the business: funnel, follow-up, capacity, forecast, experiments."""
