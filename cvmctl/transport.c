/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport.h"

int transport_open(const char *verb, struct transport **ret) {
    return transport_bus_open(verb, ret);
}
