"""The models. Import them from here, or from the module of the part that is needed."""

from src.database import ddl as ddl
from src.database.base import NAMING_CONVENTION, Base
from src.database.billing import Invoice, Payment, PaymentMethod
from src.database.events import StoredEvent, StreamSnapshot
from src.database.governance import GovernanceProposal, GovernanceVote, VoteChoice
from src.database.identity import ApiKey, User, UserSession
from src.database.market import MarketplaceEscrow, MarketplaceListing
from src.database.mesh import AclPolicy, MeshInstance, MeshNode, MeshStatus, NodeMetric, NodeState
from src.database.operations import (
    ADMIN_AUDIT_LOGS,
    AuditLog,
    GlobalConfig,
    MaintenanceWindow,
    Playbook,
    PlaybookAcknowledgement,
)
from src.database.supply_chain import NodeAttestation, SbomEntry

__all__ = [
    "ADMIN_AUDIT_LOGS",
    "NAMING_CONVENTION",
    "AclPolicy",
    "ApiKey",
    "AuditLog",
    "Base",
    "GlobalConfig",
    "GovernanceProposal",
    "GovernanceVote",
    "Invoice",
    "MaintenanceWindow",
    "MarketplaceEscrow",
    "MarketplaceListing",
    "MeshInstance",
    "MeshNode",
    "MeshStatus",
    "NodeAttestation",
    "NodeMetric",
    "NodeState",
    "Payment",
    "PaymentMethod",
    "Playbook",
    "PlaybookAcknowledgement",
    "SbomEntry",
    "StoredEvent",
    "StreamSnapshot",
    "User",
    "UserSession",
    "VoteChoice",
]
