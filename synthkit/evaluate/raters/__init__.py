"""People and judges: agreement, calibration, preferences, ratings and rankings."""
