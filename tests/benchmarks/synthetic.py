"""The synthetic faces: how many a second one core draws, and in how many a detector finds a face.

    python tests/benchmarks/synthetic.py
"""
import time

from PIL import Image, ImageOps

N = 500


def found(animeface, image):
    """Whether the detector sees a face in a 64x64 picture, enlarged by half and padded by a quarter."""
    enlarged = Image.fromarray(image).resize((96, 96), Image.LANCZOS)
    return len(animeface.detect(ImageOps.expand(enlarged, 24, "white"))) > 0


def main():
    from ganlib.data.synthetic import face

    face(0)
    for size in (64, 128):
        rates = []
        for start in range(0, N, 100):
            began = time.process_time()  # this process alone: the machine may be busy
            for i in range(start, start + 100):
                face(i, size=size)
            rates.append(100 / (time.process_time() - began))
        print(f"{size}x{size}: {sorted(rates)[len(rates) // 2]:.0f} images/s on one core "
              f"(best of {len(rates)}: {max(rates):.0f})")
    try:
        import animeface
    except ImportError as error:
        print(f"no detector: {error}")
        return
    share = sum(found(animeface, face(i)[0]) for i in range(N)) / N
    print(f"animeface finds a face in {share:.1%} of {N}")


if __name__ == "__main__":
    main()
