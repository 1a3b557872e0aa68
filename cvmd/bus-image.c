/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Image, and the Manager's methods that tell of images. */
#include "bus.h"
#include "image.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

int bus_image_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                   sd_bus_error *error) {
    _cleanup_free_ char *digest = NULL;
    int r;

    (void)bus;
    (void)interface;
    (void)error;
    r = sd_bus_path_decode(path, BUS_IMAGE_PREFIX, &digest);
    if (r <= 0)
        return r;
    *found = manager_find_image(userdata, digest);
    return *found ? 1 : 0;
}

static int path_of(void *userdata, size_t i, char **ret) {
    struct manager *m = userdata;

    return image_object_path(m->images[i], ret);
}

int bus_image_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***nodes, sd_bus_error *error) {
    struct manager *m = userdata;

    (void)bus;
    (void)prefix;
    (void)error;
    return bus_enumerate(m->nr_images, path_of, m, nodes);
}

void bus_image_added(struct image *image) {
    _cleanup_free_ char *path = NULL;

    if (image_object_path(image, &path) >= 0)
        bus_emit_added(image->manager, path);
}

void bus_image_removed(struct image *image) {
    _cleanup_free_ char *path = NULL;

    if (image_object_path(image, &path) >= 0)
        bus_emit_removed(image->manager, path);
}

#define GETTER(fn)                                                                                           \
    static int fn(sd_bus *bus, const char *path, const char *interface, const char *property,                \
                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
#define UNUSED (void)bus, (void)path, (void)interface, (void)property, (void)error

GETTER(get_string) {
    const struct image *image = userdata;

    UNUSED;
    return sd_bus_message_append(reply, "s",
                                 strcmp(property, "Digest") == 0 ? image->digest
                                 : strcmp(property, "Name") == 0 ? image->name
                                                                 : image_kind_to_string(image->kind));
}

GETTER(get_number) {
    const struct image *image = userdata;

    UNUSED;
    return sd_bus_message_append(reply, "t", strcmp(property, "Size") == 0 ? image->size : image->created);
}

static int append_user(void *userdata, struct machine *k) {
    int r = sd_bus_message_append(userdata, "s", k->name);

    return r < 0 ? r : 0;
}

GETTER(get_users) {
    const struct image *image = userdata;
    int r = sd_bus_message_open_container(reply, 'a', "s");

    UNUSED;
    if (r >= 0)
        r = image_each_user(image, append_user, reply);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

const sd_bus_vtable bus_image_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Digest", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Name", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Kind", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Size", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Created", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Machines", "as", get_users, 0, 0),
    SD_BUS_VTABLE_END,
};

int bus_get_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *path = NULL;
    struct image *image;
    const char *digest;
    int r;

    r = sd_bus_message_read(call, "s", &digest);
    if (r < 0)
        return r;
    image = manager_find_image(userdata, digest);
    if (!image)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_IMAGE, "there is no image '%.100s'", digest);
    r = image_object_path(image, &path);
    return r < 0 ? r : sd_bus_reply_method_return(call, "o", path);
}

int bus_list_images(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    struct manager *m = userdata;
    int r;

    (void)error;
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sssto)");
    for (size_t i = 0; r >= 0 && i < m->nr_images; i++) {
        const struct image *image = m->images[i];
        _cleanup_free_ char *path = NULL;

        r = image_object_path(image, &path);
        if (r >= 0)
            r = sd_bus_message_append(reply, "(sssto)", image->digest, image_kind_to_string(image->kind),
                                      image->name, image->size, path);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
