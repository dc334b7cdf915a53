/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/io.h"
#include "tests/simk/simk.h"

#define SIMK_PATH_MAX 256U

/* A path in a compound literal, for use within one expression. */
const char *simk_format(char buffer[static SIMK_PATH_MAX], const char *format, ...) _printf_(2, 3);
#define SIMK_PATH(...) simk_format((char[SIMK_PATH_MAX]){}, __VA_ARGS__)
#define SIMK_DEVICE(address, name) SIMK_PATH("bus/pci/devices/%s/%s", PCI_ADDRESS_FORMAT(address), (name))

/* Makes the file if it is not there. */
int simk_touch(int root_fd, const char *path);

/* Opens the file (made if it is not there) and locks it, with flock()'s words; LOCK_NB gives -EBUSY. The lock goes with the
 * last copy of the fd. */
int simk_lock(int root_fd, const char *path, int operation);
bool simk_is_locked(int root_fd, const char *path);

/* The state as a whole, held only for as long as nothing can block. */
#define SIMK_STATE_LOCK "simk/lock"

/* The state and a driver's part in it. */
bool simk_driver_is(int root_fd, const char *driver, SimkDriverKind kind);
int simk_read_driver(int root_fd, const PciAddress *address, char **ret); /* *ret NULL: none */
int simk_read_group(int root_fd, const PciAddress *address, uint32_t *ret);

/* Calls each member of the group that is a PCI device, until one returns non-zero, which is the result. */
typedef int (*simk_member_t)(int root_fd, const PciAddress *member, void *userdata);
int simk_each_member(int root_fd, uint32_t group, simk_member_t function, void *userdata);

/* The three writes, with a place for a fault in the middle of them. */
int simk_do_unbind(int root_fd, const PciAddress *address, const char *driver, int hang_fd);
int simk_do_bind(int root_fd, const PciAddress *address, const char *driver, int hang_fd);

/* A VFIO driver's share in probe() and remove(). `end` waits for everybody who has the device open. */
int simk_vfio_probe(int root_fd, const PciAddress *address);
int simk_vfio_remove_begin(int root_fd, const PciAddress *address);
int simk_vfio_remove_end(int root_fd, const PciAddress *address);
int simk_cdev_number(int root_fd, const PciAddress *address, uint32_t *ret);
int simk_new_node(int root_fd, const char *path);
bool simk_group_is_owned(int root_fd, uint32_t group);

int simk_open_iommufd(Kernel *kernel);
int simk_open_cdev(Kernel *kernel, const PciAddress *address);
int simk_open_container(Kernel *kernel);
int simk_open_group(Kernel *kernel, uint32_t group, int container_fd, bool set_iommu_type);
int simk_open_device(Kernel *kernel, int group_fd, const PciAddress *address);

int simk_check_holders(Kernel *kernel, uint32_t group, HolderList *ret);

/* The files whose locks stand for references to a device: its cdev, and what came out of its group. */
#define SIMK_CDEV_OPEN(address) SIMK_PATH("simk/open/%s", PCI_ADDRESS_FORMAT(address))
#define SIMK_GROUP_OPEN(address) SIMK_PATH("simk/opened/%s", PCI_ADDRESS_FORMAT(address))
#define SIMK_GROUP_NODE(group) SIMK_PATH("dev/vfio/%u", (group))

/* What a call that begins is to suffer; simk_begin() ends the process itself if it is to crash before. */
typedef struct SimkFault {
        int error;   /* negative errno, 0: none */
        int hang_fd; /* simk_wait_hang() blocks on it; -EBADF: none */
        int inside_fd; /* held for as long as the call lasts */
        bool crash_before;
        bool crash;  /* when done */
} SimkFault;

const char *simk_call_to_string(SimkCall call);
int simk_begin(int root_fd, SimkCall call, const PciAddress *address, const char *what, SimkFault *ret);

/* Writes the trace's line and crashes if that is due. Returns `result`. */
int simk_end(int root_fd, SimkCall call, const PciAddress *address, const char *what, SimkFault *fault, int result);
void simk_wait_hang(int hang_fd);
