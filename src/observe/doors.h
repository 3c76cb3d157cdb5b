// SPDX-License-Identifier: Apache-2.0
/*
 * Front doors: what listens inside a project's containers, which protocol it speaks, and which
 * of it a driver is pointed at.
 *
 * Method   listeners are read from /proc of the namespace (no tool is needed in the image; EXPOSE
 * alone is not trusted); loopback ones are left out. The class table names the protocol of known
 * images on their customary port; everything else is probed from the driver's namespace.
 */
#pragma once
#include "drive/drive.h"
#include "instance/instance.h"

struct sl_door {
    const struct sl_service *service;
    uint16_t port;
    const char *protocol; // "" = nobody we can name
    bool published, drivable;
    int driver;    // index of the endpoint that drives it
    uint32_t ipv4; // of the service, on the network of the driver
};
struct sl_door_list {
    struct sl_door *at;
    size_t len;
};
// Every listener of every service, sorted by how much it looks like a way in for users.
SL_MUST_USE bool sl_doors_find(struct sl_instance *i, struct sl_door_list *out,
                               struct sl_error *err);
void sl_door_list_done(struct sl_door_list *l);
// How a driver logs in at a door, from the service's environment.
void sl_door_spec(const struct sl_door *d, struct sl_drive_spec *out);
// TCP ports listening in a namespace on other than loopback addresses; at most max.
SL_MUST_USE bool sl_doors_listeners(int ns, uint16_t *ports, size_t max, size_t *n,
                                    struct sl_error *err);
