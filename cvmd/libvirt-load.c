/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-load.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#define LIBVIRT_DEFINE(name) __typeof__(&name) sym_##name;
LIBVIRT_FUNCTIONS(LIBVIRT_DEFINE)

static const struct {
    const char *name;
    void *place;
} functions[] = {
#define LIBVIRT_ROW(name) {#name, &sym_##name},
    LIBVIRT_FUNCTIONS(LIBVIRT_ROW)};

static struct cvm_error failure;
static int result;

static void load(void) {
    void *library = dlopen("libvirt.so.0", RTLD_NOW | RTLD_NODELETE);

    if (!library) {
        result = cvm_error_set(&failure, -ENOTCONN, "libvirt cannot be loaded: %s", dlerror());
        return;
    }
    for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
        void *f = dlsym(library, functions[i].name);

        if (!f) {
            result = cvm_error_set(&failure, -ENOTCONN, "this libvirt has no %s", functions[i].name);
            return;
        }
        memcpy(functions[i].place, &f, sizeof(f));
    }
}

int libvirt_load(struct cvm_error *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return result < 0 ? cvm_error_set(e, result, "%s", failure.text) : 0;
}
