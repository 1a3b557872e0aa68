/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Gateway: images. */
#include "bus-gateway.h"

#include <errno.h>

/* The client may change images. Returns 1: answered as the first time; 0: go on. */
static int allow_or_answer(struct asked *a) {
    int r = gateway_allow(a, PERMISSION_IMAGES, NULL);

    return r < 0 ? r : gateway_answered(a);
}

int gateway_import_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const char *name, *kind, *image;
    struct operation *op = NULL;
    int r, fd;

    r = gateway_open_keyed(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "sshs", &name, &kind, &fd, &image);
    if (r >= 0)
        r = allow_or_answer(&a);
    if (r != 0)
        return r;
    if (!digest_is_valid(image))
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "no digest");
    r = manager_import_image(a.manager, name, kind, fd, image, a.who, &op, error);
    return gateway_reply_operation(&a, r, op);
}

int gateway_delete_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    struct operation *op = NULL;
    const char *image;
    int r;

    r = gateway_open_keyed(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "s", &image);
    if (r >= 0)
        r = allow_or_answer(&a);
    if (r != 0)
        return r;
    if (!digest_is_valid(image))
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_IMAGE, "there is no image '%.100s'", image);
    r = manager_delete_image(a.manager, image, a.who, &op, error);
    return gateway_reply_operation(&a, r, op);
}

int gateway_collect_images(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    struct operation *op = NULL;
    int r;

    r = gateway_open_keyed(&a, call, userdata, error);
    if (r >= 0)
        r = allow_or_answer(&a);
    if (r != 0)
        return r;
    r = manager_collect_images(a.manager, a.who, &op, error);
    return gateway_reply_operation(&a, r, op);
}
