"""ProDet (Cheng et al., NeurIPS 2024): real, blended and deepfake faces in one progressive order of features."""
