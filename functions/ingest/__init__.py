"""Takes events of trackers and servers, keeps each and dispatches it, then acknowledges."""
