// SPDX-License-Identifier: Apache-2.0
// What the files of images share. Private to this part: others use images.h.
#pragma once
#include "engine/images.h"

SL_MUST_USE bool sl_holder_image(struct sl_engine *e, char ref[128], struct sl_error *err);
