"""What order is worth: the schedules that Penstock comes to, beside first come first served and proved optima."""
