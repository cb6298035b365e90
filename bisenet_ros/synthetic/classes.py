# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The class ids of the scene, which are those of CamVid, as constants."""

from __future__ import annotations

from bisenet_ros.label_space import CAMVID

(SKY,) = CAMVID.ids_of(('sky',))
(BUILDING,) = CAMVID.ids_of(('building',))
(POLE,) = CAMVID.ids_of(('pole',))
(ROAD,) = CAMVID.ids_of(('road',))
(PAVEMENT,) = CAMVID.ids_of(('pavement',))
(TREE,) = CAMVID.ids_of(('tree',))
(SIGN,) = CAMVID.ids_of(('sign_symbol',))
(FENCE,) = CAMVID.ids_of(('fence',))
(CAR,) = CAMVID.ids_of(('car',))
(PEDESTRIAN,) = CAMVID.ids_of(('pedestrian',))
(BICYCLIST,) = CAMVID.ids_of(('bicyclist',))
