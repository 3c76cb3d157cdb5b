// SPDX-License-Identifier: Apache-2.0
/*
 * Hands out small subnets for the engine's networks, so that its own 31 pools are not used up and
 * two instances never collide.
 *
 * Range    10.201.0.0/16 in blocks of 64 addresses unless $SLUICE_SUBNETS names another prefix (/8
 *          to /22).
 * Method   starts at a place drawn from the run's id and skips what the engine and this machine's
 *          own addresses already use, asked afresh each time. Two runs that draw the same place in
 *          the same second are refused by the engine ("overlaps").
 * Threads  one owner.
 */
#pragma once
#include "engine/engine.h"

struct sl_subnets; // opaque
SL_MUST_USE struct sl_subnets *sl_subnets_new(struct sl_engine *e, const char *run,
                                              struct sl_error *err);
SL_MUST_USE bool sl_subnets_take(struct sl_subnets *s, char text[20], struct sl_error *err);
void sl_subnets_free(struct sl_subnets *s);
