"""proposals and votes

Revision ID: 0008
Revises: 0007
Create Date: 2025-05-15 17:48:11
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


vote_choice = postgresql.ENUM("yes", "no", "abstain", name="vote_choice", create_type=False)


def upgrade() -> None:
    op.create_table(
        "governance_proposals",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=False, start=100, minvalue=100, maxvalue=999999999),
            nullable=False,
        ),
        sa.Column("author_id", sa.UUID(), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("quorum", sa.Numeric(precision=4, scale=3), server_default=sa.text("0.5"), nullable=False),
        sa.Column("opens_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "closes_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("(CURRENT_TIMESTAMP + '7 days'::interval)"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_governance_proposals")),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name=op.f("fk_governance_proposals_author_id_users"), ondelete="SET NULL"
        ),
        sa.CheckConstraint("closes_at > opens_at", name=op.f("ck_governance_proposals_closes_after_opening")),
        sa.CheckConstraint("quorum > 0 AND quorum <= 1", name=op.f("ck_governance_proposals_quorum_is_fraction")),
    )
    op.create_index("ix_governance_proposals_author_id", "governance_proposals", ["author_id"])

    vote_choice.create(op.get_bind(), checkfirst=False)
    op.create_table(
        "governance_votes",
        sa.Column("proposal_id", sa.BigInteger(), nullable=False),
        sa.Column("voter_id", sa.UUID(), nullable=False),
        sa.Column("choice", vote_choice, nullable=False),
        sa.Column("weight", sa.Numeric(precision=10, scale=4), server_default=sa.text("1.0"), nullable=False),
        sa.Column("cast_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", "voter_id", name=op.f("governance_one_vote_each")),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            ["governance_proposals.id"],
            name=op.f("fk_governance_votes_proposal_id_governance_proposals"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["voter_id"], ["users.id"], name=op.f("fk_governance_votes_voter_id_users"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_governance_votes_voter_id", "governance_votes", ["voter_id"])


def downgrade() -> None:
    op.drop_table("governance_votes")
    vote_choice.drop(op.get_bind(), checkfirst=False)
    op.drop_table("governance_proposals")
