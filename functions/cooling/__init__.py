"""Turns dispatched events and decisions into rows of each retailer's BigQuery dataset."""
