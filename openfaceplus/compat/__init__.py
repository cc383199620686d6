"""Drop-ins for libraries people come from: face_recognition and OpenFace, over the same rooms."""
