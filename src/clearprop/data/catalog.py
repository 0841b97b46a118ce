"""Catalog of the built-in data sets: names, files, digests, mirrors and classes."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from clearprop.data.formats.idx import FILES

DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a data set, with the digests that identify the genuine file.

    Parameters
    ----------
    name : str
    size : int
        In bytes.
    digest : str
        ``"sha256:..."`` or ``"md5:..."``.
    unpacked_digest : str
        The digest of the unpacked file, without ``.gz``, which many users have.
    """

    name: str
    size: int
    digest: str
    unpacked_digest: str


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A data set known by name.

    Parameters
    ----------
    name : str
        The name that ``load_data`` takes.
    title : str
        A short description.
    class_names : tuple of str
        The meaning of label 0, 1, ...
    n_train, n_test : int
        Numbers of training and test rows.
    homepage : str
        The page of its authors.
    files : dict of str to DataFile
        Keys x, y, x_test and y_test; empty for data that comes with scikit-learn.
    mirrors : tuple of str
        Addresses of folders with all files, in the order in which they are tried.
    preparation : str
        The preparation for ``prepare_image`` that makes other pictures look like this data set.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    n_train: int
    n_test: int
    homepage: str
    files: dict[str, DataFile]
    mirrors: tuple[str, ...] = ()
    # in most data sets the objects fill the frame; only MNIST leaves a border
    preparation: str = "fill"


def _files(*facts: tuple[int, str, str]) -> dict[str, DataFile]:
    return {
        part: DataFile(f"{name}.gz", *of_file)
        for (part, name), of_file in zip(FILES.items(), facts, strict=True)
    }


#: Digests of MNIST were taken from the genuine files; those of the others are the MD5 that torchvision and
#: the makers state. The host that first offered MNIST refuses downloads; Kuzushiji-MNIST has one host only.
CATALOG = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            CatalogEntry(
                name="digits",
                title="handwritten digits of scikit-learn, 8x8 enlarged to 28x28",
                class_names=DIGITS,
                n_train=1437,
                n_test=360,
                homepage="https://archive.ics.uci.edu/dataset/80",
                files={},
            ),
            CatalogEntry(
                name="mnist",
                title="MNIST, handwritten digits",
                preparation="mnist",
                class_names=DIGITS,
                n_train=60_000,
                n_test=10_000,
                homepage="http://yann.lecun.com/exdb/mnist/",
                files=_files(
                    (
                        9_912_422,
                        "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                        "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    ),
                    (
                        28_881,
                        "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                        "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    ),
                    (
                        1_648_877,
                        "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                        "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    ),
                    (
                        4_542,
                        "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                        "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                    ),
                ),
                mirrors=(
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                ),
            ),
            CatalogEntry(
                name="fashion-mnist",
                title="Fashion-MNIST, articles of clothing",
                class_names=(
                    "T-shirt/top",
                    "Trouser",
                    "Pullover",
                    "Dress",
                    "Coat",
                    "Sandal",
                    "Shirt",
                    "Sneaker",
                    "Bag",
                    "Ankle boot",
                ),
                n_train=60_000,
                n_test=10_000,
                homepage="https://github.com/zalandoresearch/fashion-mnist",
                files=_files(
                    (
                        26_421_880,
                        "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                        "md5:f4a8712d7a061bf5bd6d2ca38dc4d50a",
                    ),
                    (
                        29_515,
                        "md5:25c81989df183df01b3e8a0aad5dffbe",
                        "md5:9018921c3c673c538a1fc5bad174d6f9",
                    ),
                    (
                        4_422_102,
                        "md5:bef4ecab320f06d8554ea6380940ec79",
                        "md5:8181f5470baa50b63fa0f6fddb340f0a",
                    ),
                    (
                        5_148,
                        "md5:bb300cfdad3c16e7a12a480ee83cd310",
                        "md5:15d484375f8d13e6eb1aabb0c3f46965",
                    ),
                ),
                mirrors=(
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                ),
            ),
            CatalogEntry(
                name="kmnist",
                title="Kuzushiji-MNIST, handwritten Japanese syllables",
                class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
                n_train=60_000,
                n_test=10_000,
                homepage="https://github.com/rois-codh/kmnist",
                files=_files(
                    (
                        18_165_135,
                        "md5:bdb82020997e1d708af4cf47b453dcf7",
                        "md5:92be26ec9822e900ac425d0a0aa84ced",
                    ),
                    (
                        29_497,
                        "md5:e144d726b3acfaa3e44228e80efcd344",
                        "md5:949e75301f8813e0dc5800dcc320fc52",
                    ),
                    (
                        3_041_136,
                        "md5:5c965bf0a639b31b8f53240b1b52f4d7",
                        "md5:bf305b8cd328700fbc17f5acbc2856d2",
                    ),
                    (
                        5_120,
                        "md5:7320c461ea6c1c855c0b718fb2a4b134",
                        "md5:9f55f451c0988b028eccdf7d5cc265ab",
                    ),
                ),
                mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
            ),
        )
    }
)
