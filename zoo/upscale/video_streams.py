"""What a video file holds beside its pictures: copied where the new container takes it, else named."""

import os
from collections.abc import Iterator
from typing import Any

import av

from zoo.errors import UsageError
from zoo.upscale.targets import CONTAINERS, Job

_SUFFIXES = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


class Streams:
    """Sound and subtitles, which have to be copied, and fonts, covers and data, which may be.

    Args:
        source: the opened file.
        video: its video stream.

    Raises:
        UsageError: sound or subtitles that the target's container does not hold.
    """

    def __init__(self, source, video, job: Job):
        self.form, self.video = CONTAINERS[job.target.suffix.lower()], video
        self.copied = [each.index for each in source.streams if each.type in ("audio", "subtitle")]
        self.others = [each.index for each in source.streams if each.index not in (video.index, *self.copied)]
        with av.open(os.devnull, "w", format=self.form) as container:
            holds = container.supported_codecs
        for each in map(source.streams.__getitem__, self.copied):
            name = each.codec_context.codec.canonical_name if each.codec_context else "an unknown kind"
            if name not in holds:
                raise UsageError(
                    f"Expected a container that holds {each.type} in {name} (.mkv holds most). "
                    f"Received: {job.target.name}"
                )

    def add_to(self, source, to) -> tuple[dict[int, Any], list[str]]:
        """Makes the target's streams.

        Returns:
            The source's number of each stream whose packets are to be copied → the new one, and what is left out.
        """
        # VP8 and VP9 have it beside the packets, where no decoder for YUV looks.
        tags = {key.lower(): value for key, value in self.video.metadata.items()}
        left_out = ["left out: its transparency"] if tags.get("alpha_mode") == "1" else []
        added = {}
        for index in self.copied:
            added[index] = to.add_stream_from_template(source.streams[index])
        for stream in map(source.streams.__getitem__, self.others):
            try:
                new = self._add(source, to, stream)
            # Whatever a container, or PyAV, has against it.
            except Exception:
                left_out.append(f"left out: {_named(stream)}")
                continue
            if new is not None:
                added[stream.index] = new
        for index, new in added.items():
            new.metadata.update(source.streams[index].metadata)
            new.disposition = source.streams[index].disposition
        return added, left_out

    def _add(self, source, to, stream):
        """The new stream; None where nothing is left to copy."""
        cover = stream.type == "video" and stream.disposition & av.stream.Disposition.attached_pic
        if stream.type == "attachment" and self.form == "matroska":
            to.add_stream_from_template(stream).metadata.update(stream.metadata)
        elif cover and self.form == "matroska":
            name, kind = _SUFFIXES[stream.codec_context.name]
            with av.open(source.name, metadata_errors="replace") as again:
                content = next(bytes(packet) for packet in again.demux(again.streams[stream.index]) if packet.size)
            to.add_attachment(name, kind, content)
        elif stream.type == "data" and "timecode" in stream.metadata and "timecode" in self.video.metadata:
            # Containers that have such a track make it of what the video says.
            return None
        elif cover or stream.type == "data":
            self._try(stream)
            return to.add_stream_from_template(stream)
        else:
            raise ValueError(stream.type)
        return None

    def _try(self, stream) -> None:
        """Raises whatever a container has against a stream: some say it only where the file begins, or ends."""
        with av.open(os.devnull, "w", format=self.form) as container:
            packet = av.Packet(bytes(4))
            packet.pts = packet.dts = 0
            packet.stream, packet.time_base = container.add_stream_from_template(stream), stream.time_base
            container.mux(packet)


def _named(stream) -> str:
    name = stream.metadata.get("filename") or stream.metadata.get("handler_name") or ""
    kind = {"attachment": "the attached file", "video": "another video track", "data": "a data track"}
    if stream.type == "video" and stream.disposition & av.stream.Disposition.attached_pic:
        return "the cover"
    return f"{kind.get(stream.type, stream.type)} {name}".strip()


def packets_of(source, indices: list[int]) -> Iterator:
    """The packets of some streams, in their order; of none, where there are none."""
    if indices:
        for packet in source.demux([source.streams[index] for index in indices]):
            if packet.size and packet.dts is None and packet.stream.type == "video":
                # A cover, which has no time.
                packet.pts = packet.dts = 0
            if packet.dts is not None:
                yield packet
