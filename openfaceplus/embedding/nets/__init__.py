"""The networks: plans and weights as NumPy arrays, ONNX graphs, and torch modules.

Import a module from here only where it is used: ``dlib_resnet`` and ``nn4_small2`` load torch,
``dlib_onnx`` and ``dlib_int8`` load onnx.
"""
