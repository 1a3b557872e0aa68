/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "problem.h"

#include <string.h>

const struct problem_type problem_types[PROBLEM_MAX] = {
    [PROBLEM_BAD_REQUEST] = {"bad-request", 400, "The request cannot be read",
                             "A header field, query parameter or the JSON text is malformed; the detail names it."},
    [PROBLEM_UNAUTHENTICATED] = {"unauthenticated", 401, "No client certificate that counts",
                                 "Present a certificate that this host's authority issued; POST /v1/enrol issues one."},
    [PROBLEM_DENIED] = {"denied", 403, "The client's role does not allow this",
                        "Ask an administrator for another role or machine pattern. The refusal is in the audit log."},
    [PROBLEM_NOT_FOUND] = {"not-found", 404, "There is no such resource",
                           "GET /v1/openapi.json lists the paths."},
    [PROBLEM_NO_SUCH_MACHINE] = {"no-such-machine", 404, "There is no such machine", "GET /v1/machines lists them."},
    [PROBLEM_NO_SUCH_OPERATION] = {"no-such-operation", 404, "There is no such operation",
                                   "Ended operations are forgotten after OperationKeepSec= of cvmd.conf(5)."},
    [PROBLEM_NO_SUCH_IMAGE] = {"no-such-image", 404, "There is no such image", "GET /v1/images lists them."},
    [PROBLEM_NO_SUCH_CLIENT] = {"no-such-client", 404, "There is no such client", "GET /v1/clients lists them."},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", 405, "The resource does not take this method",
                                    "The Allow field lists the methods."},
    [PROBLEM_EXISTS] = {"exists", 409, "The name is taken", "Choose another name, or delete what has it."},
    [PROBLEM_BUSY] = {"busy", 409, "Another operation is under way", "Wait for it to end and try again."},
    [PROBLEM_WRONG_STATE] = {"wrong-state", 409, "The machine is in another state",
                             "The detail names the state; start or stop the machine first."},
    [PROBLEM_IMAGE_IN_USE] = {"image-in-use", 409, "A machine uses the image", "Delete the machine first."},
    [PROBLEM_NOT_CANCELLABLE] = {"not-cancellable", 409, "The operation cannot be cancelled",
                                 "It has ended, or is past the point of return."},
    [PROBLEM_NOT_PROTECTED] = {"not-protected", 409, "The machine is not protected",
                               "Only machines that RootVisor protects have a report."},
    [PROBLEM_NO_PROTECTION] = {"no-protection", 409, "This host cannot protect machines",
                               "Ask for an unprotected machine in so many words, or use another host."},
    [PROBLEM_IN_PROGRESS] = {"in-progress", 409, "A request with this Idempotency-Key is under way",
                             "Wait for its answer, then repeat."},
    [PROBLEM_PRECONDITION_FAILED] = {"precondition-failed", 412, "The machine has changed",
                                     "Fetch it again and decide anew."},
    [PROBLEM_TOO_LARGE] = {"too-large", 413, "The body is too large", "The detail names the limit."},
    [PROBLEM_MEDIA_TYPE] = {"media-type", 415, "The body has another media type",
                            "The detail names the type that is taken."},
    [PROBLEM_RANGE] = {"range", 416, "The range lies outside", "Content-Range names the size."},
    [PROBLEM_INVALID_ARGUMENT] = {"invalid-argument", 422, "A value is not acceptable", "The detail names it."},
    [PROBLEM_DIGEST_MISMATCH] = {"digest-mismatch", 422, "The bytes have another digest",
                                 "Send the file again, or correct the digest."},
    [PROBLEM_KEY_REUSED] = {"key-reused", 422, "The Idempotency-Key was used for another request",
                            "Use a new key for each new request."},
    [PROBLEM_PRECONDITION_REQUIRED] = {"precondition-required", 428, "If-Match is missing",
                                       "Send the ETag of the machine as it was when you decided, or *."},
    [PROBLEM_TOO_MANY_REQUESTS] = {"too-many-requests", 429, "Too many requests",
                                   "Wait as long as Retry-After says."},
    [PROBLEM_INTERNAL] = {"internal", 500, "Something broke", "The journal of cvmd and cvmd-rest tells more."},
    [PROBLEM_NOT_SUPPORTED] = {"not-supported", 501, "This cvmd cannot do that", "A later version may."},
    [PROBLEM_LIBVIRT] = {"libvirt", 502, "libvirt refuses", "The detail is libvirt's; look at its log."},
    [PROBLEM_UNAVAILABLE] = {"unavailable", 503, "cvmd does not answer", "Try again after Retry-After."},
    [PROBLEM_TIMEOUT] = {"timeout", 504, "cvmd did not answer in time",
                         "Look whether it was done before you repeat it, or repeat it with its Idempotency-Key."},
    [PROBLEM_STORAGE] = {"storage", 507, "There is no room", "Free space on the host."},
};

#define CVMD "org.cvmd1.Error."
#define DBUS "org.freedesktop.DBus.Error."

static const struct {
    const char *name;
    enum problem problem;
} bus_errors[] = {
    {CVMD "InvalidName", PROBLEM_INVALID_ARGUMENT},
    {CVMD "InvalidMemory", PROBLEM_INVALID_ARGUMENT},
    {CVMD "InvalidVCPUs", PROBLEM_INVALID_ARGUMENT},
    {CVMD "InvalidCommandLine", PROBLEM_INVALID_ARGUMENT},
    {CVMD "InvalidKernel", PROBLEM_INVALID_ARGUMENT},
    {CVMD "InvalidInitrd", PROBLEM_INVALID_ARGUMENT},
    {CVMD "InvalidArgument", PROBLEM_INVALID_ARGUMENT},
    {CVMD "InvalidConfig", PROBLEM_INTERNAL},
    {CVMD "Exists", PROBLEM_EXISTS},
    {CVMD "NoSuchMachine", PROBLEM_NO_SUCH_MACHINE},
    {CVMD "NoSuchOperation", PROBLEM_NO_SUCH_OPERATION},
    {CVMD "NoSuchImage", PROBLEM_NO_SUCH_IMAGE},
    {CVMD "NoSuchClient", PROBLEM_NO_SUCH_CLIENT},
    {CVMD "NoRootVisor", PROBLEM_NO_PROTECTION},
    {CVMD "UnsafeHost", PROBLEM_NO_PROTECTION},
    {CVMD "NotProtected", PROBLEM_NOT_PROTECTED},
    {CVMD "NotRunning", PROBLEM_WRONG_STATE},
    {CVMD "StillActive", PROBLEM_WRONG_STATE},
    {CVMD "Busy", PROBLEM_BUSY},
    {CVMD "ImageInUse", PROBLEM_IMAGE_IN_USE},
    {CVMD "NotCancellable", PROBLEM_NOT_CANCELLABLE},
    {CVMD "Denied", PROBLEM_DENIED},
    {CVMD "InvalidToken", PROBLEM_DENIED},
    {CVMD "Changed", PROBLEM_PRECONDITION_FAILED},
    {CVMD "KeyReused", PROBLEM_KEY_REUSED},
    {CVMD "DigestMismatch", PROBLEM_DIGEST_MISMATCH},
    {CVMD "TooManyRequests", PROBLEM_TOO_MANY_REQUESTS},
    {CVMD "Libvirt", PROBLEM_LIBVIRT},
    {CVMD "Store", PROBLEM_STORAGE},
    {CVMD "Cancelled", PROBLEM_WRONG_STATE},
    {DBUS "NotSupported", PROBLEM_NOT_SUPPORTED},
    {DBUS "NoReply", PROBLEM_TIMEOUT},
    {DBUS "Timeout", PROBLEM_TIMEOUT},
    {DBUS "TimedOut", PROBLEM_TIMEOUT},
    {"System.Error.ETIMEDOUT", PROBLEM_TIMEOUT},
    {DBUS "ServiceUnknown", PROBLEM_UNAVAILABLE},
    {DBUS "NameHasNoOwner", PROBLEM_UNAVAILABLE},
    {DBUS "Disconnected", PROBLEM_UNAVAILABLE},
    {DBUS "UnknownObject", PROBLEM_NOT_FOUND},
    {DBUS "UnknownMethod", PROBLEM_UNAVAILABLE}, /* cvmd is of another version, or just starting */
    {DBUS "UnknownInterface", PROBLEM_UNAVAILABLE},
    {DBUS "LimitsExceeded", PROBLEM_TOO_MANY_REQUESTS},
    {DBUS "AccessDenied", PROBLEM_UNAVAILABLE}, /* the bus does not let the gateway: a fault of the installation */
};

enum problem problem_from_bus_error(const char *name) {
    for (size_t i = 0; i < sizeof(bus_errors) / sizeof(bus_errors[0]); i++)
        if (strcmp(name, bus_errors[i].name) == 0)
            return bus_errors[i].problem;
    if (strncmp(name, DBUS "Spawn.", sizeof(DBUS "Spawn.") - 1) == 0 ||
        strncmp(name, "org.freedesktop.systemd1.", 25) == 0)
        return PROBLEM_UNAVAILABLE;
    return PROBLEM_INTERNAL;
}
