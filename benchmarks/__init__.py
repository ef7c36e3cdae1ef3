"""Quality and speed, measured side by side."""
