"""What the Linux kernel offers an ordinary user to keep a process from reaching anything but what it may reach.

``seccomp`` builds and installs system call filters; ``namespaces`` gives a process its own network or user numbers;
``supervisor`` answers, in the parent, the system calls that a filter asks about.
"""
