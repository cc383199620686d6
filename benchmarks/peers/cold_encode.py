"""face_recognition's shortest script: encode the face of one photo."""

import sys

import face_recognition

image = face_recognition.load_image_file(sys.argv[1])
sys.exit(not face_recognition.face_encodings(image))
