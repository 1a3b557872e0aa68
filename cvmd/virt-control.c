/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to a domain that is there. */
#include "virt-internal.h"

#include <errno.h>
#include <string.h>

int virt_shutdown(struct virt *v, const char *uuid, struct cvm_error *e) {
    _cleanup_found_ struct virt_found d = {0};
    int r = virt_find(v, uuid, &d, e);

    if (r < 0)
        return r;
    if (sym_virDomainShutdown(d.dom) < 0)
        return virt_error(e, -EIO, "libvirt did not ask the guest to shut down");
    return 0;
}

int virt_destroy(struct virt *v, const char *uuid, struct cvm_error *e) {
    _cleanup_found_ struct virt_found d = {0};
    int r = virt_find(v, uuid, &d, e);

    if (r < 0)
        return r;
    if (sym_virDomainDestroy(d.dom) < 0) {
        /* It may have ended between the two calls. */
        if (sym_virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID || sym_virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
            return -ENOENT;
        return virt_error(e, -EIO, "libvirt did not end the domain");
    }
    return 0;
}

static int suspend_or_resume(struct virt *v, const char *uuid, int (*fn)(virDomainPtr), const char *what,
                             struct cvm_error *e) {
    _cleanup_found_ struct virt_found d = {0};
    int r = virt_find(v, uuid, &d, e);

    if (r < 0)
        return r;
    return fn(d.dom) < 0 ? virt_error(e, -EIO, what) : 0;
}

int virt_suspend(struct virt *v, const char *uuid, struct cvm_error *e) {
    return suspend_or_resume(v, uuid, sym_virDomainSuspend, "libvirt did not pause the domain", e);
}

int virt_resume(struct virt *v, const char *uuid, struct cvm_error *e) {
    return suspend_or_resume(v, uuid, sym_virDomainResume, "libvirt did not resume the domain", e);
}

static int add_u64(virTypedParameterPtr *p, int *n, int *max, const char *name, uint64_t v) {
    return sym_virTypedParamsAddULLong(p, n, max, name, v);
}

/* 0 means libvirt's default: shares 100 as in a fresh control group of version 2, no quota (-1). */
static int set_cpu(virDomainPtr dom, const struct virt_limits *l) {
    virTypedParameterPtr p = NULL;
    int n = 0, max = 0, r = 0;

    if (l->set_cpu_shares)
        r = add_u64(&p, &n, &max, VIR_DOMAIN_SCHEDULER_CPU_SHARES, l->cpu_shares ?: 100);
    if (r >= 0 && l->set_cpu_quota)
        r = add_u64(&p, &n, &max, VIR_DOMAIN_SCHEDULER_GLOBAL_PERIOD, 100000);
    if (r >= 0 && l->set_cpu_quota)
        r = sym_virTypedParamsAddLLong(&p, &n, &max, VIR_DOMAIN_SCHEDULER_GLOBAL_QUOTA,
                                   l->cpu_quota ? l->cpu_quota * 1000ll : -1);
    if (r >= 0 && n)
        r = sym_virDomainSetSchedulerParametersFlags(dom, p, n, VIR_DOMAIN_AFFECT_LIVE);
    sym_virTypedParamsFree(p, n);
    return r;
}

static int set_io(virDomainPtr dom, const struct virt_limits *l) {
    virTypedParameterPtr p = NULL;
    int n = 0, max = 0, r;

    if (!l->set_io_weight)
        return 0;
    r = sym_virTypedParamsAddUInt(&p, &n, &max, VIR_DOMAIN_BLKIO_WEIGHT, l->io_weight ?: 100);
    if (r >= 0)
        r = sym_virDomainSetBlkioParameters(dom, p, n, VIR_DOMAIN_AFFECT_LIVE);
    sym_virTypedParamsFree(p, n);
    return r;
}

int virt_set_limits(struct virt *v, const char *uuid, const struct virt_limits *l, struct cvm_error *e) {
    _cleanup_found_ struct virt_found d = {0};
    int r = virt_find(v, uuid, &d, e);

    if (r < 0)
        return r;
    if (set_cpu(d.dom, l) < 0 || set_io(d.dom, l) < 0)
        return virt_error(e, -EIO, "libvirt did not take the limits");
    return 0;
}

int virt_state(struct virt *v, const char *uuid, char **console, struct cvm_error *e) {
    _cleanup_found_ struct virt_found d = {0};
    int r = virt_find(v, uuid, &d, e), state = 0;

    *console = NULL;
    if (r == -ENOENT)
        return VIRT_STATE_NONE;
    if (r < 0)
        return r;
    r = sym_virDomainIsActive(d.dom);
    if (r < 0)
        return virt_error(e, -EIO, "libvirt does not tell the domain's state");
    /* A transient domain is there while it runs, and a moment before and behind. */
    if (r == 0)
        return sym_virDomainIsPersistent(d.dom) == 0
                   ? cvm_error_set(e, -EBUSY, "libvirt is starting or ending the domain")
                   : VIRT_STATE_NONE;
    if (sym_virDomainGetState(d.dom, &state, NULL, 0) < 0)
        return virt_error(e, -EIO, "libvirt does not tell the domain's state");
    if (virt_console_of(d.dom, console) < 0)
        return cvm_error_set(e, -EIO, "libvirt does not tell the domain's console");
    return state == VIR_DOMAIN_PAUSED ? VIRT_STATE_PAUSED : VIRT_STATE_RUNNING;
}

int virt_xml(struct virt *v, const char *uuid, char **ret, struct cvm_error *e) {
    _cleanup_found_ struct virt_found d = {0};
    int r = virt_find(v, uuid, &d, e);

    if (r < 0)
        return r;
    *ret = sym_virDomainGetXMLDesc(d.dom, 0);
    return *ret ? 0 : virt_error(e, -EIO, "libvirt does not describe the domain");
}
