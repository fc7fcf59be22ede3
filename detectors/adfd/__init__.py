"""ADFD (Wang et al.): pseudo-fakes with boundaries inside the face, those weighed less that look like real faces."""
