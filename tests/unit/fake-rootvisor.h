/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A RootVisor for tests, linked in place of cvmd/rootvisor.c. It does what it is told by lines of text,
 * from a unit test by fake_rootvisor_command(), or from the file that the environment variable
 * CVMD_FAKE_ROOTVISOR names, which it reads on at every call:
 *
 *   protect UUID FRAMES     a VM comes under protection and runs
 *   stop UUID REASON ARG    RootVisor stops it
 *   denied REASON ARG       an event that harms nobody
 *   destroyed UUID          written by the fake itself: the host had it destroyed
 *   tpm                     RootVisor extended a TPM: CVM_F_TPM
 *   bad-resume              the next call of any kind fails with -EIO
 *
 * Without the file there is no RootVisor.
 */
#ifndef FAKE_ROOTVISOR_H
#define FAKE_ROOTVISOR_H

/* 0, or -EINVAL for a line that is no command. */
int fake_rootvisor_command(const char *line);
/* Whether rootvisor_open() finds one, when no file says so. */
void fake_rootvisor_present(int present);
/* Forget all VMs and events. */
void fake_rootvisor_reset(void);
/* Frames given back by one destroy call. */
#define FAKE_FRAMES_PER_CALL 256u
/* Destroy calls that give none back, first. */
#define FAKE_EMPTY_CALLS 3u

#endif
