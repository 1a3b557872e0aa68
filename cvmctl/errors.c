/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cvmctl.h"

#include <string.h>

static const struct {
    const char *name;
    int status;
} statuses[] = {
    {"org.cvmd1.Error.NoSuchMachine", EXIT_NO_MACHINE},
    {"org.cvmd1.Error.NoSuchImage", EXIT_NO_MACHINE},
    {"org.cvmd1.Error.NoSuchOperation", EXIT_NO_MACHINE},
    {"org.cvmd1.Error.Denied", EXIT_REFUSED},
    {"org.cvmd1.Error.NoRootVisor", EXIT_REFUSED},
    {"org.cvmd1.Error.UnsafeHost", EXIT_REFUSED},
    {"org.cvmd1.Error.NotProtected", EXIT_REFUSED},
    {"org.freedesktop.DBus.Error.AccessDenied", EXIT_REFUSED},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EXIT_REFUSED},
    {"org.cvmd1.Error.InvalidName", EXIT_USAGE},
    {"org.cvmd1.Error.InvalidMemory", EXIT_USAGE},
    {"org.cvmd1.Error.InvalidVCPUs", EXIT_USAGE},
    {"org.cvmd1.Error.InvalidCommandLine", EXIT_USAGE},
    {"org.cvmd1.Error.InvalidArgument", EXIT_USAGE},
    {"org.freedesktop.DBus.Error.ServiceUnknown", EXIT_NO_DAEMON},
    {"org.freedesktop.DBus.Error.NameHasNoOwner", EXIT_NO_DAEMON},
    {"org.freedesktop.DBus.Error.NoReply", EXIT_NO_DAEMON},
    {"org.freedesktop.DBus.Error.Timeout", EXIT_NO_DAEMON},
    {"org.freedesktop.DBus.Error.Disconnected", EXIT_NO_DAEMON},
};

int error_status(const char *name) {
    for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
        if (strcmp(name, statuses[i].name) == 0)
            return statuses[i].status;
    if (strncmp(name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0 ||
        strncmp(name, "org.freedesktop.systemd1.", 25) == 0)
        return EXIT_NO_DAEMON;
    return EXIT_FAILED;
}
