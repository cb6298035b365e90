# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws world geometry into picture and labels at the same time.

Picture and labels are one buffer with four channels: B, G, R and class id. OpenCV fills all four in
one call, so colour and label agree in every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from bisenet_ros.synthetic.camera import NEAR, Array, Camera, clip_near
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.rng import Color
from bisenet_ros.synthetic.textures import Texture

_SUBPIXEL_BITS = 4
_FAR_OUT = 30000.0  # pixels; keeps fixed-point coordinates within OpenCV's range
_DETAIL_SCALE = 9.0  # pixels per metre; below it, details of solids are left out
_HAZE_SEEN = 0.02  # less haze is invisible and skipped
_NEXT = np.array([1, 2, 3, 0])  # index of the next corner of a rectangle
_SLIVER = 3  # pixels; a narrower picture is drawn in its mean colour


@dataclass(frozen=True)
class Mesh:
    """A solid with convex flat faces, placed in the world, with lighting applied.

    Attributes:
        vertices: (V, 3) world points.
        faces: Vertex numbers of each face, in drawing order.
        normals: (F, 3) outward unit normals.
        colors: (F, 3) BGR with lighting.
        detail: (F,) bool; these faces are left out if the solid is small in the image.
        label: Class id of every pixel of the solid.
    """

    vertices: Array
    faces: tuple[Array, ...]
    normals: Array
    colors: Array
    detail: Array
    label: int

    @cached_property
    def anchors(self) -> Array:
        """(F, 3), one vertex of each face."""
        first: Array = self.vertices[[face[0] for face in self.faces]]
        return first

    def draw(self, painter: Painter) -> None:
        """Draws the solid."""
        painter.mesh(self)


@dataclass(frozen=True)
class Rectangle:
    """A flat rectangle in the world, the place of a picture.

    Attributes:
        origin: (3,) world point of the picture's top left corner.
        across: (3,) world vector along its top edge, metres.
        down: (3,) world vector along its left edge, metres.
    """

    origin: Array
    across: Array
    down: Array

    @classmethod
    def upright(cls, left: Array, right: Array, height: float) -> Rectangle:
        """Returns a rectangle that stands on two (3,) ground points, `height` metres high."""
        down = np.array([0.0, height, 0.0])
        return cls(left - down, right - left, down)

    @cached_property
    def corners(self) -> Array:
        """(4, 3) world corners: top left, top right, bottom right, bottom left."""
        o, a, d = self.origin, self.across, self.down
        return np.stack((o, o + a, o + a + d, o + d))


class Painter:
    """Draws one frame. Callers draw far things first.

    Attributes:
        canvas: (H, W, 4) uint8: B, G, R, class id.
        camera: The frame's camera.
        light: The scene's light.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        """Starts an empty frame, in which every pixel has class 0 (sky)."""
        width, height = camera.size
        self.canvas = np.zeros((height, width, 4), np.uint8)
        self.camera = camera
        self.light = light
        self._focal = float(camera.matrix[0, 0])

    def hazy(self, color: Color | Array, depth: float) -> Array:
        """Adds the haze of `depth` metres to a BGR colour or (N, 3) colours; 0 to 255."""
        share = self.light.haze(depth)
        seen = np.asarray(color) * (1 - share) + self.light.skyline * share
        return np.minimum(seen, 255)

    def polygon(self, points: Array, color: Color | Array, label: int) -> None:
        """Fills a flat convex polygon.

        Args:
            points: (N, 3) world corners.
            color: BGR with lighting, before haze.
            label: Class id.
        """
        local = clip_near(self.camera.to_camera(points))
        if len(local) >= 3:
            b, g, r = self.hazy(color, float(local[:, 2].mean())).tolist()
            self._fill(fixed_point(self.camera.to_pixels(local)), (b, g, r, float(label)))

    def mesh(self, mesh: Mesh) -> None:
        """Draws the faces of a solid that face the camera, in their order."""
        local = self.camera.to_camera(mesh.vertices)
        depth = float(local[:, 2].mean())
        if local[:, 2].max() < NEAR:
            return
        shown = ((mesh.anchors - self.camera.position) * mesh.normals).sum(1) < 0
        if self._focal < _DETAIL_SCALE * depth:
            shown &= ~mesh.detail
        inks = np.empty((len(mesh.faces), 4))
        inks[:, :3], inks[:, 3] = self.hazy(mesh.colors, depth), mesh.label
        whole = local[:, 2].min() >= NEAR
        corners = fixed_point(self.camera.to_pixels(local)) if whole else None
        for index in np.flatnonzero(shown):
            face = mesh.faces[index]
            if corners is not None:
                self._fill(corners[face], inks[index].tolist())
                continue
            clipped = clip_near(local[face])
            if len(clipped) >= 3:
                self._fill(fixed_point(self.camera.to_pixels(clipped)), inks[index].tolist())

    def limbs(self, bars: Array, radii: Array, colors: Array, label: int) -> None:
        """Draws round tapered bars in order: limbs, poles, bicycle tubes.

        Bars are at least one pixel thick. Nothing is drawn if one reaches the near plane.

        Args:
            bars: (N, 2, 3) world points, start and end.
            radii: (N, 2) radii at start and end, metres.
            colors: (N, 3) BGR with lighting.
            label: Class id.
        """
        local = self.camera.to_camera(bars.reshape(-1, 3))
        depth = local[:, 2]
        if depth.min() < NEAR:
            return
        ends = self.camera.to_pixels(local).reshape(-1, 2, 2)
        widths = radii * self._focal / depth.reshape(-1, 2)
        along = ends[:, 1] - ends[:, 0]
        length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)
        side = np.column_stack((-along[:, 1], along[:, 0])) / length[:, None]
        reach = side[:, None, :] * np.maximum(widths, 0.5)[..., None]  # (N, 2, 2)
        quads = fixed_point(np.concatenate((ends - reach, (ends + reach)[:, ::-1]), axis=1))
        centres = fixed_point(ends)
        rounds = np.rint(widths * (1 << _SUBPIXEL_BITS)).astype(int)
        inks = np.empty((len(bars), 4))
        inks[:, :3], inks[:, 3] = self.hazy(colors, float(depth.mean())), label
        for quad, tips, sizes, ink in zip(quads, centres, rounds, inks.tolist(), strict=True):
            self._fill(quad, ink)
            for tip, size in zip(tips.tolist(), sizes.tolist(), strict=True):
                if size >> _SUBPIXEL_BITS:
                    cv2.circle(self.canvas, tip, size, ink, -1, cv2.LINE_8, _SUBPIXEL_BITS)

    def panel(self, texture: Texture, place: Rectangle, label: int) -> None:
        """Draws an opaque picture.

        Args:
            texture: (h, w, 3) picture with lighting.
            place: Rectangle of the picture in the world.
            label: Class id.
        """
        found = self._warp((texture,), place)
        if found is None:
            return
        (patch,), outline, (left, top), depth = found
        height, width = patch.shape[:2]
        if width <= _SLIVER:
            self.polygon(place.corners, texture.mean, label)
            return
        inked = np.empty((height, width, 4), np.uint8)
        cv2.cvtColor(self._veiled(patch, depth), cv2.COLOR_BGR2BGRA, dst=inked)
        inked[..., 3] = label
        stencil = np.zeros((height, width), np.uint8)
        shift = np.array([left, top]) << _SUBPIXEL_BITS
        cv2.fillConvexPoly(
            stencil, (outline - shift).astype(np.int32), 255, cv2.LINE_8, _SUBPIXEL_BITS
        )
        cv2.copyTo(inked, stencil, self.canvas[top : top + height, left : left + width])

    def cutout(self, texture: Texture, shape: Texture, place: Rectangle, label: int) -> None:
        """Draws a picture with holes: foliage, railings.

        Args:
            texture: (h, w, 4) picture with lighting; channel 3 is the coverage, 0 to 255.
            shape: (h, w) uint8, 255 where the label goes. Small holes belong to the thing, because
                CamVid's annotators outlined bare trees and railings.
            place: Rectangle of the picture in the world.
            label: Class id.
        """
        found = self._warp((texture, shape), place)
        if found is None:
            return
        (patch, mask), _, (left, top), depth = found
        height, width = patch.shape[:2]
        region = self.canvas[top : top + height, left : left + width]
        cover = patch[..., 3].astype(np.float32) * np.float32(1 / 255)
        blended = cv2.blendLinear(self._veiled(patch, depth), region, cover, 1 - cover)
        blended[..., 3] = np.where(mask >= 128, np.uint8(label), region[..., 3])
        region[...] = blended

    def _fill(self, corners: Array, ink: list[float] | tuple[float, ...]) -> None:
        cv2.fillConvexPoly(self.canvas, corners, ink, cv2.LINE_8, _SUBPIXEL_BITS)

    def _veiled(self, patch: Array, depth: float) -> Array:
        """Adds the haze of `depth` metres to a (h, w, 3 or 4) uint8 picture."""
        share = self.light.haze(depth)
        if share < _HAZE_SEEN:
            return patch
        veil = np.append(np.clip(self.light.skyline * share, 0, 255), 0.0)
        veiled: Array = cv2.add(cv2.convertScaleAbs(patch, alpha=1 - share), veil)
        return veiled

    def _warp(
        self, textures: tuple[Texture, ...], place: Rectangle
    ) -> tuple[list[Array], Array, tuple[int, int], float] | None:
        """Warps pictures of equal size to the image of a rectangle.

        Returns:
            The pictures in the part of the frame around it, its fixed-point outline in the frame,
            the top left pixel of the part, and the depth in metres; None if it is out of view.
        """
        local = clip_near(self.camera.to_camera(place.corners))
        if len(local) < 3:
            return None
        pixels = self.camera.to_pixels(local)
        low, high = pixels.min(0), pixels.max(0)
        left, top = max(int(np.floor(low[0])), 0), max(int(np.floor(low[1])), 0)
        right = min(int(np.ceil(high[0])) + 1, self.camera.size[0])
        bottom = min(int(np.ceil(high[1])) + 1, self.camera.size[1])
        if right <= left or bottom <= top:
            return None
        rows, columns = textures[0].pixels.shape[:2]
        levels = (0, 0)
        if len(local) == 4 and local[:, 2].min() > 2 * NEAR:  # else magnified: not reduced
            edges = np.hypot(*(pixels - pixels[_NEXT]).T)  # top, right, bottom, left
            levels = (
                _halvings(columns, max(edges[0], edges[2])),
                _halvings(rows, max(edges[1], edges[3])),
            )
        patches = []
        for texture in textures:
            picture = texture.reduced(*levels)
            rows, columns = picture.shape[:2]
            onto = self.camera.plane_homography(
                place.origin, place.across / columns, place.down / rows
            )
            # Texture pixel centres are half a pixel inside; the part begins at (left, top).
            onto = _shift(-left, -top) @ onto @ _shift(0.5, 0.5)
            opaque = picture.ndim == 3 and picture.shape[2] == 3
            patch = cv2.warpPerspective(
                picture,
                onto,
                (right - left, bottom - top),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE if opaque else cv2.BORDER_CONSTANT,
            )
            patches.append(patch)
        return patches, fixed_point(pixels), (left, top), float(local[:, 2].mean())


def fixed_point(pixels: Array) -> Array:
    """Converts (..., 2) pixels to the fixed-point coordinates of the fill functions."""
    inside = np.minimum(np.maximum(pixels, -_FAR_OUT), _FAR_OUT)  # np.clip takes four times as long
    fixed: Array = np.rint(inside * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    return fixed


def _halvings(source: int, target: float) -> int:
    """Returns how often `source` pixels can be halved and still be at least `target`."""
    return max(int(np.log2(source / max(target, 1.0))), 0)


def _shift(x: float, y: float) -> Array:
    """Returns the homography that translates by pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def turned(vectors: Array, yaw: float) -> Array:
    """Rotates (N, 3) vectors to a heading: `yaw` radians to the right of world z."""
    c, s = np.cos(yaw), np.sin(yaw)
    matrix = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    result: Array = vectors @ matrix.T
    return result
