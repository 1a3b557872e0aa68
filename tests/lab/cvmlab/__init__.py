# SPDX-License-Identifier: LGPL-2.1-or-later
"""The emulated host: images, boot media, the emulator and what its serial line says."""
