/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Gateway: the host itself: its configuration, and the host's half of enrolling its TPM. */
#include "bus-gateway.h"

static int open_host(struct asked *a, sd_bus_message *call, struct manager *m, sd_bus_error *error) {
    int r = gateway_open(a, call, m, error);

    return r < 0 ? r : gateway_allow(a, PERMISSION_HOST, NULL);
}

int gateway_reload(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    int r = open_host(&a, call, userdata, error);

    if (r >= 0)
        r = manager_reload(a.manager, a.who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

int gateway_endorsement(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    int r = open_host(&a, call, userdata, error);

    return r < 0 ? r : bus_send_endorsement(a.manager, call, error);
}

int gateway_activate(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const char *challenge;
    int r = open_host(&a, call, userdata, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "s", &challenge);
    return r < 0 ? r : bus_send_activation(a.manager, call, challenge, a.who, error);
}
