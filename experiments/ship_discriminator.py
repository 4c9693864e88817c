"""The discriminator of a run beside a generator that comes with ganlib, for fine-tuning.

    python experiments/ship_discriminator.py RUN NAME

RUN: the folder of the run that the generator is from. Its newest state has the discriminator. NAME: of a
generator in ganlib/shipped. It is written in half precision; the sizes of both are printed.
"""
import argparse
import sys

from ganlib.errors import GanlibError
from ganlib.models import store
from ganlib.runs.origin import open_origin, other_networks, save_discriminator


def ship(run, name):
    """Write it; (its path, how many images it saw after the generator was saved)."""
    path = store.SHIPPED / name / "discriminator.safetensors"
    generator = store.load_generator(path.with_name("generator.safetensors"))
    origin = open_origin(run)
    if other_networks(generator.config, origin) or origin.config.model != generator.config.model:
        raise GanlibError(f"{run} has other networks than the generator {name!r}: name the run of that one.")
    if origin.config.data != generator.config.data:
        raise GanlibError(f"{run} has seen other pictures than the generator {name!r}: name the run of that "
                          "one.")
    save_discriminator(path, origin)
    return path, origin.images - int(generator.info["images"])


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("name", metavar="NAME")
    args = parser.parse_args()
    try:
        path, later = ship(args.run, args.name)
    except GanlibError as error:
        sys.exit(f"error: {error}")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, as of {later:,} images after the generator")


if __name__ == "__main__":
    main()
