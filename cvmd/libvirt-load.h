/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt is loaded when the first machine needs it: with all that it is linked with it would be more than half of the
 * memory of a cvmd that has nothing to do. Its functions are called as sym_NAME(), after libvirt_load().
 */
#ifndef CVMD_LIBVIRT_LOAD_H
#define CVMD_LIBVIRT_LOAD_H

#include "util.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#define LIBVIRT_FUNCTIONS(F)                                                                                           \
    F(virConnectClose)                                                                                                 \
    F(virConnectDomainEventDeregisterAny)                                                                              \
    F(virConnectDomainEventRegisterAny)                                                                                \
    F(virConnectIsAlive)                                                                                               \
    F(virConnectOpen)                                                                                                  \
    F(virConnectRef)                                                                                                   \
    F(virConnectRegisterCloseCallback)                                                                                 \
    F(virConnectSetKeepAlive)                                                                                          \
    F(virConnectUnregisterCloseCallback)                                                                               \
    F(virDomainCreateXML)                                                                                              \
    F(virDomainDestroy)                                                                                                \
    F(virDomainFree)                                                                                                   \
    F(virDomainGetState)                                                                                               \
    F(virDomainGetUUIDString)                                                                                          \
    F(virDomainGetXMLDesc)                                                                                             \
    F(virDomainIsActive)                                                                                               \
    F(virDomainIsPersistent)                                                                                           \
    F(virDomainLookupByUUIDString)                                                                                     \
    F(virDomainResume)                                                                                                 \
    F(virDomainSetBlkioParameters)                                                                                     \
    F(virDomainSetSchedulerParametersFlags)                                                                            \
    F(virDomainShutdown)                                                                                               \
    F(virDomainSuspend)                                                                                                \
    F(virEventAddTimeout)                                                                                              \
    F(virEventRegisterDefaultImpl)                                                                                     \
    F(virEventRunDefaultImpl)                                                                                          \
    F(virGetLastErrorCode)                                                                                             \
    F(virGetLastErrorMessage)                                                                                          \
    F(virInitialize)                                                                                                   \
    F(virSetErrorFunc)                                                                                                 \
    F(virTypedParamsAddLLong)                                                                                          \
    F(virTypedParamsAddUInt)                                                                                           \
    F(virTypedParamsAddULLong)                                                                                         \
    F(virTypedParamsFree)

#define LIBVIRT_DECLARE(name) extern __typeof__(&name) sym_##name;
LIBVIRT_FUNCTIONS(LIBVIRT_DECLARE)
#undef LIBVIRT_DECLARE

/* Any thread, any number of times; it stays loaded. -ENOTCONN with @e: it is not there, or too old. */
int libvirt_load(struct cvm_error *e);

#endif
