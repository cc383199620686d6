"""Videos, cameras and streams: to frames with times, their shots, and back to a file."""
