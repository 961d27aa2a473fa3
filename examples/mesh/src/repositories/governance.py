"""Counting votes."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from src.database.governance import GovernanceProposal, GovernanceVote, VoteChoice


@dataclass(frozen=True, slots=True)
class Tally:
    """The weight of the votes for each choice."""

    yes: Decimal
    no: Decimal
    abstain: Decimal

    @property
    def accepted(self) -> bool:
        """More weight said yes than no; abstentions count for the quorum only."""
        return self.yes > self.no


def tally(session: Session, proposal: GovernanceProposal) -> Tally:
    """What has been voted on a proposal so far."""
    query = (
        select(GovernanceVote.choice, func.sum(GovernanceVote.weight))
        .where(GovernanceVote.proposal_id == proposal.id)
        .group_by(GovernanceVote.choice)
    )
    weights = {choice: Decimal(weight) for choice, weight in session.execute(query)}
    return Tally(*(weights.get(choice, Decimal(0)) for choice in VoteChoice))
