/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine from what somebody asked for: checks, settings, record. */
#include "define.h"

#include "bus.h"
#include "domain-xml.h"
#include "image.h"
#include "manager.h"
#include "validate.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static int refuse(sd_bus_error *error, const char *name, int r, const char *text) {
    sd_bus_error_set(error, name, text);
    return r;
}

/* Each image that it names must be there. Returns the digest that is not, or NULL. */
static const char *missing_image(const struct machine *k, char digest[DIGEST_STRING_MAX]) {
    const char *const names[] = {k->kernel_image, k->initrd_image};

    for (unsigned i = 0; i < ELEMENTSOF(names); i++)
        if (names[i] && !manager_find_image(k->manager, names[i]))
            return names[i];
    for (const char *p = k->disks; p && *p; p = strchr(p, '\n') + 1) {
        size_t n = strcspn(p, "\n");

        if (p[0] == '/' || n >= DIGEST_STRING_MAX)
            continue;
        memcpy(digest, p, n);
        digest[n] = 0;
        if (!manager_find_image(k->manager, digest))
            return digest;
    }
    return NULL;
}

/*
 * A protected guest shares no memory with the host, so no device can do DMA: that needs shared frames. What
 * could not work is refused, not left out in silence.
 */
static int check_protected(const struct machine *k, sd_bus_error *error) {
    unsigned disks = 0;

    if (k->network)
        return refuse(
            error, SD_BUS_ERROR_NOT_SUPPORTED, -EOPNOTSUPP,
            "a protected machine has no network yet: it shares no memory with a device; --unprotected has");
    for (const char *p = k->disks; p && *p; p = strchr(p, '\n') + 1)
        if (++disks > DOMAIN_IDE_DISKS)
            return refuse(error, SD_BUS_ERROR_NOT_SUPPORTED, -EOPNOTSUPP,
                          "a protected machine has at most four disks: IDE by port I/O, without shared memory");
    return 0;
}

int machine_check(const struct machine *k, sd_bus_error *error) {
    char digest[DIGEST_STRING_MAX];
    struct cvm_error e = {0};
    const char *image;
    int r;

    r = validate_memory(k->memory, k->manager->host_memory, &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_MEMORY, r, e.text);
    r = validate_vcpus(k->vcpus, &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_VCPUS, r, e.text);
    r = validate_cmdline(k->cmdline ?: "", &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_CMDLINE, r, e.text);
    if (k->protected) {
        r = check_protected(k, error);
        if (r < 0)
            return r;
    }
    image = missing_image(k, digest);
    if (image) {
        sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_IMAGE, "there is no image %s", image);
        return -ENOENT;
    }
    return 0;
}

static const char *or_null(const char *s) {
    return s && s[0] ? s : NULL;
}

int machine_apply(struct machine *k, const struct machine_options *o) {
    int r = 0;

#define TEXT(option, field, value)                                                                           \
    if (r >= 0 && option_given(o, option))                                                                   \
        r = free_and_strdup(&k->field, value);
    TEXT(OPTION_COMMAND_LINE, cmdline, or_null(o->cmdline))
    TEXT(OPTION_KERNEL_IMAGE, kernel_image, o->kernel_image)
    TEXT(OPTION_INITRD_IMAGE, initrd_image, or_null(o->initrd_image))
    TEXT(OPTION_DESCRIPTION, description, or_null(o->description))
    TEXT(OPTION_LABELS, labels, or_null(o->labels))
    TEXT(OPTION_NETWORK, network, strcmp(o->network, "none") == 0 ? NULL : o->network)
    TEXT(OPTION_DISKS, disks, or_null(o->disks))
#undef TEXT
    if (option_given(o, OPTION_INITRD_IMAGE))
        k->has_initrd = o->initrd_image[0];
    if (option_given(o, OPTION_MEMORY))
        k->memory = o->memory;
    if (option_given(o, OPTION_VCPUS))
        k->vcpus = o->vcpus;
    if (option_given(o, OPTION_AUTOSTART))
        k->autostart = o->autostart;
    if (option_given(o, OPTION_RESTART))
        k->restart = o->restart;
    if (option_given(o, OPTION_CPU_SHARES))
        k->cpu_shares = o->cpu_shares;
    if (option_given(o, OPTION_CPU_QUOTA))
        k->cpu_quota = o->cpu_quota;
    if (option_given(o, OPTION_IO_WEIGHT))
        k->io_weight = o->io_weight;
    return r;
}

/* RFC 9562, section 5.4. */
static int new_uuid(char out[UUID_STRING_MAX]) {
    uint8_t uuid[16];

    if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
        return -EIO;
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    uuid_to_string(uuid, out);
    return 0;
}

static int make(struct manager *m, const char *name, const struct machine_options *o, struct machine **ret) {
    _cleanup_(machine_freep) struct machine *k = NULL;
    char uuid[UUID_STRING_MAX];

    if (new_uuid(uuid) < 0)
        return -EIO;
    k = machine_new(m, name, uuid);
    if (!k || machine_apply(k, o) < 0)
        return -ENOMEM;
    k->protected = !o->unprotected;
    if (!option_given(o, OPTION_VCPUS))
        k->vcpus = 1;
    if (o->initrd_fd >= 0)
        k->has_initrd = true;
    k->state = MACHINE_STOPPED;
    k->created = now_usec(CLOCK_REALTIME);
    *ret = TAKE_PTR(k);
    return 0;
}

static int check_new(struct machine *k, const struct machine_options *o, sd_bus_error *error) {
    const struct machine *old;
    int r;

    if ((o->kernel_fd < 0) == (o->kernel_image == NULL))
        return refuse(error, BUS_ERROR_INVALID_ARGUMENT, -EINVAL,
                      "one of the options 'Kernel' and 'KernelImage' is needed");
    if (o->initrd_fd >= 0 && o->initrd_image)
        return refuse(error, BUS_ERROR_INVALID_ARGUMENT, -EINVAL,
                      "only one of 'Initrd' and 'InitrdImage' can be");
    if (k->memory == 0)
        return refuse(error, BUS_ERROR_INVALID_ARGUMENT, -EINVAL, "option 'Memory' is missing");
    r = machine_check(k, error);
    if (r < 0)
        return r;
    old = manager_find(k->manager, k->name);
    if (!old)
        return 0;
    sd_bus_error_setf(error, BUS_ERROR_EXISTS, "machine '%s' exists already (%s)%s%s", k->name,
                      machine_state_to_string(old->state),
                      machine_is_active(old) ? "" : "; remove it with: cvmctl delete ",
                      machine_is_active(old) ? "" : k->name);
    return -EEXIST;
}

int machine_make(struct manager *m, const char *name, const struct machine_options *o, struct machine **ret,
                 sd_bus_error *error) {
    _cleanup_(machine_freep) struct machine *k = NULL;
    struct cvm_error e = {0};
    int r;

    r = validate_name(name, &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_NAME, r, e.text);
    r = make(m, name, o, &k);
    if (r < 0)
        return sd_bus_error_set_errno(error, r);
    r = check_new(k, o, error);
    if (r < 0)
        return r;
    k->backing = config_backing(m->config, k->memory);
    *ret = TAKE_PTR(k);
    return 0;
}
