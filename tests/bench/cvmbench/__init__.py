# SPDX-License-Identifier: LGPL-2.1-or-later
"""The project's figures: how each is measured, what it is held against, how it is shown."""
