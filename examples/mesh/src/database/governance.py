"""How the members decide: proposals and votes."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.database.base import Base, CreatedAt, pg_enum


class VoteChoice(StrEnum):
    """What a vote says."""

    YES = "yes"
    NO = "no"
    ABSTAIN = "abstain"


class GovernanceProposal(Base):
    """Something to be decided."""

    __tablename__ = "governance_proposals"
    __table_args__ = (
        CheckConstraint("closes_at > opens_at", name="closes_after_opening"),
        CheckConstraint("quorum > 0 AND quorum <= 1", name="quorum_is_fraction"),
        Index("ix_governance_proposals_author_id", "author_id"),
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=False, start=100, minvalue=100, maxvalue=999999999), primary_key=True
    )
    author_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text, server_default=text("''"))
    quorum: Mapped[float] = mapped_column(Numeric(4, 3), server_default=text("0.5"))
    opens_at: Mapped[CreatedAt]
    closes_at: Mapped[datetime] = mapped_column(server_default=text("(CURRENT_TIMESTAMP + '7 days'::interval)"))

    votes: Mapped[list["GovernanceVote"]] = relationship(
        back_populates="proposal", cascade="all, delete-orphan", passive_deletes=True
    )


class GovernanceVote(Base):
    """One member's vote on one proposal."""

    __tablename__ = "governance_votes"
    __table_args__ = (
        PrimaryKeyConstraint("proposal_id", "voter_id", name="governance_one_vote_each"),
        Index("ix_governance_votes_voter_id", "voter_id"),
    )

    proposal_id: Mapped[int] = mapped_column(ForeignKey("governance_proposals.id", ondelete="CASCADE"))
    voter_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    choice: Mapped[VoteChoice] = mapped_column(pg_enum(VoteChoice, "vote_choice"))
    weight: Mapped[float] = mapped_column(Numeric(10, 4), server_default=text("1.0"))
    cast_at: Mapped[CreatedAt]

    proposal: Mapped[GovernanceProposal] = relationship(back_populates="votes")
