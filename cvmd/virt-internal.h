/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of virt share. */
#ifndef CVMD_VIRT_INTERNAL_H
#define CVMD_VIRT_INTERNAL_H

#include "libvirt-load.h"
#include "virt.h"

static inline void virt_connp(virConnectPtr *c) {
    if (*c)
        sym_virConnectClose(*c);
}
#define _cleanup_conn_ _cleanup_(virt_connp)

static inline void virt_domainp(virDomainPtr *d) {
    if (*d)
        sym_virDomainFree(*d);
}
#define _cleanup_domain_ _cleanup_(virt_domainp)

/* A domain and the connection that it came by. */
struct virt_found {
    virConnectPtr conn;
    virDomainPtr dom;
};

static inline void virt_foundp(struct virt_found *f) {
    virt_domainp(&f->dom);
    virt_connp(&f->conn);
}
#define _cleanup_found_ _cleanup_(virt_foundp)

/* Returns @r, with @what and libvirt's own words in @e. */
int virt_error(struct cvm_error *e, int r, const char *what);
/* @ret: zeroed; what is in it is the caller's to give back, also after an error. -ENOENT: no such domain. */
int virt_find(struct virt *v, const char *uuid, struct virt_found *ret, struct cvm_error *e);
/* Its pseudo terminal, NULL if it has none; the caller frees. */
int virt_console_of(virDomainPtr dom, char **ret);

#endif
