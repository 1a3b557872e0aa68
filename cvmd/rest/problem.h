/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Problem details (RFC 9457): every error answer has one of these types, and each D-Bus error of cvmd maps to one.
 */
#ifndef CVMD_REST_PROBLEM_H
#define CVMD_REST_PROBLEM_H

#include <stddef.h>

enum problem {
    PROBLEM_BAD_REQUEST,
    PROBLEM_UNAUTHENTICATED,
    PROBLEM_DENIED,
    PROBLEM_NOT_FOUND,
    PROBLEM_NO_SUCH_MACHINE,
    PROBLEM_NO_SUCH_OPERATION,
    PROBLEM_NO_SUCH_IMAGE,
    PROBLEM_NO_SUCH_CLIENT,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_EXISTS,
    PROBLEM_BUSY,
    PROBLEM_WRONG_STATE,
    PROBLEM_IMAGE_IN_USE,
    PROBLEM_NOT_CANCELLABLE,
    PROBLEM_NOT_PROTECTED,
    PROBLEM_NO_PROTECTION,
    PROBLEM_IN_PROGRESS,
    PROBLEM_PRECONDITION_FAILED,
    PROBLEM_TOO_LARGE,
    PROBLEM_MEDIA_TYPE,
    PROBLEM_RANGE,
    PROBLEM_INVALID_ARGUMENT,
    PROBLEM_DIGEST_MISMATCH,
    PROBLEM_KEY_REUSED,
    PROBLEM_PRECONDITION_REQUIRED,
    PROBLEM_TOO_MANY_REQUESTS,
    PROBLEM_INTERNAL,
    PROBLEM_NOT_SUPPORTED,
    PROBLEM_LIBVIRT,
    PROBLEM_UNAVAILABLE,
    PROBLEM_TIMEOUT,
    PROBLEM_STORAGE,
    PROBLEM_MAX,
};

struct problem_type {
    const char *name; /* the type is /v1/problems/NAME */
    unsigned status;
    const char *title;
    const char *help; /* what a client can do about it */
};
extern const struct problem_type problem_types[PROBLEM_MAX];

/* The problem that a D-Bus error is; PROBLEM_INTERNAL if it is not known. */
enum problem problem_from_bus_error(const char *name);

#endif
